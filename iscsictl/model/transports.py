"""The iSCSI transports and the kernel modules that provide them."""

# Keyed by the name in /sys/class/iscsi_transport. `tcp` is the software initiator, `iser` is RDMA;
# the others are offload adapters.
TRANSPORT_MODULES = {
    "tcp": "iscsi_tcp",
    "iser": "ib_iser",
    "bnx2i": "bnx2i",
    "cxgb3i": "cxgb3i",
    "cxgb4i": "cxgb4i",
    "be2iscsi": "be2iscsi",
    "qla4xxx": "qla4xxx",
    "qedi": "qedi",
    "ocs": "ocs",
}
