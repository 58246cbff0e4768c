# bash completion for iscsictl. Made from its commands by `iscsictl completion bash`; do not edit.
# Works with and without the bash-completion package.

# For the command path $1: its commands, its options, what their values are, what its
# arguments are. `@word` is a choice, another word a kind of live names, + repeats.
_iscsictl_spec() {
    case $1 in
    '')
        subs='attach detach reconnect ls doctor plan apply export discover nodes login logout rescan startup forget prune take-over hold unhold chap schedule watch initiator iface boot service disk mount umount fstab import completion explain report'
        opts='-V --version -h --help'
        vals='  '
        args=''
        ;;
    'attach')
        subs=''
        opts='-p --portal -T --target --lun -I --interface --multipath --chap-user --user --chap-secret-file --secret-file --chap-secret-prompt --secret-prompt --mutual-user --mutual-secret-file --mutual-secret-prompt --table --fs --fs-label --mount --options --owner --mode --required-by --wwid --adopt --adopt-unverified --wipe --confirm --set --exclusive --no-boot --over-nonempty --verify-blank --discard --print-device -n --dry-run -y --yes -o --output -J --json --no-color -v --verbose -q --quiet --timeout -h --help'
        vals=' -p=portal --portal=portal -T=target --target=target --lun= -I=@default:@iser:iface --interface=@default:@iser:iface --multipath=@auto:@require:@off --chap-user= --user= --chap-secret-file=file --secret-file=file --mutual-user= --mutual-secret-file=file --table=@gpt:@dos:@none --fs=@ext4:@ext3:@ext2:@xfs:@btrfs:@vfat --fs-label= --mount=dir --options= --owner= --mode= --required-by= --wwid= --confirm= --set=@node.startup=:@node.leading_login=:@iface.net_ifacename=:@iface.ipaddress=:@iface.prefix_len=:@iface.hwaddress=:@iface.transport_name=:@iface.initiatorname=:@iface.state=:@iface.vlan_id=:@iface.vlan_priority=:@iface.vlan_state=:@iface.iface_num=:@iface.mtu=:@iface.port=:@iface.bootproto=:@iface.subnet_mask=:@iface.gateway=:@iface.dhcp_alt_client_id_state=:@iface.dhcp_alt_client_id=:@iface.dhcp_dns=:@iface.dhcp_learn_iqn=:@iface.dhcp_req_vendor_id_state=:@iface.dhcp_vendor_id_state=:@iface.dhcp_vendor_id=:@iface.dhcp_slp_da=:@iface.fragmentation=:@iface.gratuitous_arp=:@iface.incoming_forwarding=:@iface.tos_state=:@iface.tos=:@iface.ttl=:@iface.ipv6_autocfg=:@iface.linklocal_autocfg=:@iface.router_autocfg=:@iface.ipv6_linklocal=:@iface.ipv6_router=:@iface.dup_addr_detect_cnt=:@iface.flow_label=:@iface.gratuitous_neighbor_adv=:@iface.hop_limit=:@iface.mld=:@iface.nd_reachable_tmo=:@iface.nd_rexmit_time=:@iface.nd_stale_tmo=:@iface.router_adv_link_mtu=:@iface.traffic_class=:@iface.delayed_ack=:@iface.tcp_nagle=:@iface.tcp_wsf_state=:@iface.tcp_wsf=:@iface.tcp_timer_scale=:@iface.tcp_timestamp=:@iface.redirect=:@iface.def_task_mgmt_timeout=:@iface.header_digest=:@iface.data_digest=:@iface.immediate_data=:@iface.initial_r2t=:@iface.data_seq_inorder=:@iface.data_pdu_inorder=:@iface.erl=:@iface.max_receive_data_len=:@iface.first_burst_len=:@iface.max_outstanding_r2t=:@iface.max_burst_len=:@iface.chap_auth=:@iface.bidi_chap=:@iface.strict_login_compliance=:@iface.discovery_auth=:@iface.discovery_logout=:@node.session.initial_cmdsn=:@node.session.initial_login_retry_max=:@node.session.xmit_thread_priority=:@node.session.cmds_max=:@node.session.queue_depth=:@node.session.nr_sessions=:@node.session.auth.authmethod=:@node.session.auth.username=:@node.session.auth.username_in=:@node.session.auth.chap_algs=:@node.session.timeo.replacement_timeout=:@node.session.err_timeo.abort_timeout=:@node.session.err_timeo.lu_reset_timeout=:@node.session.err_timeo.tgt_reset_timeout=:@node.session.err_timeo.host_reset_timeout=:@node.session.iscsi.FastAbort=:@node.session.iscsi.InitialR2T=:@node.session.iscsi.ImmediateData=:@node.session.iscsi.FirstBurstLength=:@node.session.iscsi.MaxBurstLength=:@node.session.iscsi.DefaultTime2Retain=:@node.session.iscsi.DefaultTime2Wait=:@node.session.iscsi.MaxConnections=:@node.session.iscsi.MaxOutstandingR2T=:@node.session.iscsi.ERL=:@node.session.scan=:@node.session.reopen_max=:@node.session.conn_reopen_log_freq=:@node.session.sess_reopen_log_freq=:@node.conn[0].startup=:@node.conn[0].tcp.window_size=:@node.conn[0].tcp.type_of_service=:@node.conn[0].tcp.congestion_control=:@node.conn[0].timeo.logout_timeout=:@node.conn[0].timeo.login_timeout=:@node.conn[0].timeo.auth_timeout=:@node.conn[0].timeo.noop_out_interval=:@node.conn[0].timeo.noop_out_timeout=:@node.conn[0].iscsi.MaxXmitDataSegmentLength=:@node.conn[0].iscsi.MaxRecvDataSegmentLength=:@node.conn[0].iscsi.HeaderDigest=:@node.conn[0].iscsi.DataDigest=:@node.conn[0].iscsi.IFMarker=:@node.conn[0].iscsi.OFMarker= --verify-blank=@quick:@full -o=@table:@json:@tsv --output=@table:@json:@tsv --timeout= '
        args=''
        ;;
    'detach')
        subs=''
        opts='--lun --forget --lost --confirm -n --dry-run -y --yes -o --output -J --json --no-color -v --verbose -q --quiet --timeout -h --help'
        vals=' --lun= --confirm= -o=@table:@json:@tsv --output=@table:@json:@tsv --timeout= '
        args='target:device:mount:dir'
        ;;
    'reconnect')
        subs=''
        opts='-T --target --metrics -n --dry-run -y --yes -o --output -J --json --no-color -v --verbose -q --quiet --timeout -h --help'
        vals=' -T=target --target=target --metrics=file -o=@table:@json:@tsv --output=@table:@json:@tsv --timeout= '
        args='target'
        ;;
    'ls')
        subs=''
        opts='-T --target -o --output -J --json --no-color -v --verbose -q --quiet --timeout --tree --no-header -l --long --from -h --help'
        vals=' -T=target --target=target -o=@table:@json:@tsv:@chap_username:@chap_username_in:@connection_state:@device:@filesystem:@host:@iface:@initiator:@internal_state:@lun:@mount:@paths:@portal:@reserved_by:@session_state:@sid:@size:@state:@status:@target:@transport:@wwid --output=@table:@json:@tsv:@chap_username:@chap_username_in:@connection_state:@device:@filesystem:@host:@iface:@initiator:@internal_state:@lun:@mount:@paths:@portal:@reserved_by:@session_state:@sid:@size:@state:@status:@target:@transport:@wwid --timeout= --from=file '
        args='target'
        ;;
    'doctor')
        subs=''
        opts='--fix -a --all --ignore --only --from -n --dry-run -y --yes -o --output -J --json --no-color -v --verbose -q --quiet --timeout -h --help'
        vals=' --ignore=@boot-address:@boot-firmware:@boot-initiator:@boot-initramfs:@boot-iscsid:@boot-login:@boot-network-online:@boot-nic:@boot-root:@boot-secret:@boot-shutdown:@boot-timeout:@chap-md5:@chap-none:@chap-shared:@clock:@crypttab-device-name:@crypttab-name-case:@crypttab-no-netdev:@crypttab-no-nofail:@crypttab-node-manual:@crypttab-readable:@crypttab-uuid-nowhere:@digest-routed:@disk-changed:@disk-errors:@disk-identity:@fs-disk-gone:@fs-failing:@fs-readonly:@fstab-boot:@fstab-claim-left:@fstab-device-name:@fstab-fsck:@fstab-name-case:@fstab-no-netdev:@fstab-no-nofail:@fstab-no-order:@fstab-no-record:@fstab-node-manual:@fstab-readable:@fstab-requires-login:@fstab-same-directory:@fstab-unreadable:@fstab-uuid-nowhere:@fstab-uuid-twice:@fstab-wrong-disk:@initiator-clone:@initiator-name:@initiator-session:@ipsec-policy:@iscsid-answers:@iscsid-running:@kernel-modules:@kernel-transport:@mount-exposed:@mount-link:@multipath-boot:@multipath-daemon:@multipath-failover:@multipath-map:@multipath-nic:@multipath-paths:@multipath-queue:@net-firewall:@net-link:@net-mtu:@net-mtu-mixed:@net-one-subnet:@nodedb-iface:@nodedb-listing:@nodedb-lock:@nodedb-modes:@nodedb-place:@nodedb-readable:@nodedb-records:@portal-default-route:@portal-public:@portal-reachable:@reservation:@reservation-unit:@security-port:@service-iscsid:@service-login:@service-order:@service-reload:@service-systemd:@session-disks:@session-luns:@session-missing:@session-startup:@session-state:@timeout-disk:@timeout-noop:@timeout-recovery:@tools-disk:@tools-iscsictl:@tools-open-iscsi:@tools-versions --only=@boot-address:@boot-firmware:@boot-initiator:@boot-initramfs:@boot-iscsid:@boot-login:@boot-network-online:@boot-nic:@boot-root:@boot-secret:@boot-shutdown:@boot-timeout:@chap-md5:@chap-none:@chap-shared:@clock:@crypttab-device-name:@crypttab-name-case:@crypttab-no-netdev:@crypttab-no-nofail:@crypttab-node-manual:@crypttab-readable:@crypttab-uuid-nowhere:@digest-routed:@disk-changed:@disk-errors:@disk-identity:@fs-disk-gone:@fs-failing:@fs-readonly:@fstab-boot:@fstab-claim-left:@fstab-device-name:@fstab-fsck:@fstab-name-case:@fstab-no-netdev:@fstab-no-nofail:@fstab-no-order:@fstab-no-record:@fstab-node-manual:@fstab-readable:@fstab-requires-login:@fstab-same-directory:@fstab-unreadable:@fstab-uuid-nowhere:@fstab-uuid-twice:@fstab-wrong-disk:@initiator-clone:@initiator-name:@initiator-session:@ipsec-policy:@iscsid-answers:@iscsid-running:@kernel-modules:@kernel-transport:@mount-exposed:@mount-link:@multipath-boot:@multipath-daemon:@multipath-failover:@multipath-map:@multipath-nic:@multipath-paths:@multipath-queue:@net-firewall:@net-link:@net-mtu:@net-mtu-mixed:@net-one-subnet:@nodedb-iface:@nodedb-listing:@nodedb-lock:@nodedb-modes:@nodedb-place:@nodedb-readable:@nodedb-records:@portal-default-route:@portal-public:@portal-reachable:@reservation:@reservation-unit:@security-port:@service-iscsid:@service-login:@service-order:@service-reload:@service-systemd:@session-disks:@session-luns:@session-missing:@session-startup:@session-state:@timeout-disk:@timeout-noop:@timeout-recovery:@tools-disk:@tools-iscsictl:@tools-open-iscsi:@tools-versions --from=file -o=@table:@json:@tsv:@nagios:@prometheus --output=@table:@json:@tsv:@nagios:@prometheus --timeout= '
        args=''
        ;;
    'plan')
        subs=''
        opts='--out --parallel -o --output -J --json --no-color -v --verbose -q --quiet --timeout -h --help'
        vals=' --out=file --parallel= -o=@table:@json:@tsv --output=@table:@json:@tsv --timeout= '
        args='file'
        ;;
    'apply')
        subs=''
        opts='--plan --parallel -n --dry-run -y --yes -o --output -J --json --no-color -v --verbose -q --quiet --timeout -h --help'
        vals=' --plan=file --parallel= -o=@table:@json:@tsv --output=@table:@json:@tsv --timeout= '
        args='file'
        ;;
    'export')
        subs=''
        opts='-o --output -J --json --no-color -v --verbose -q --quiet --timeout -h --help'
        vals=' -o=@table:@json:@tsv --output=@table:@json:@tsv --timeout= '
        args=''
        ;;
    'discover')
        subs=''
        opts='--isns --save -I --interface --chap-user --user --chap-secret-file --secret-file --chap-secret-prompt --secret-prompt --mutual-user --mutual-secret-file --mutual-secret-prompt -n --dry-run -y --yes -o --output -J --json --no-color -v --verbose -q --quiet --timeout -h --help'
        vals=' -I=@default:@iser:iface --interface=@default:@iser:iface --chap-user= --user= --chap-secret-file=file --secret-file=file --mutual-user= --mutual-secret-file=file -o=@table:@json:@tsv --output=@table:@json:@tsv --timeout= '
        args='portal'
        ;;
    'nodes')
        subs='ls set show'
        opts='-h --help'
        vals='  '
        args=''
        ;;
    'nodes ls')
        subs=''
        opts='-T --target -o --output -J --json --no-color -v --verbose -q --quiet --timeout -h --help'
        vals=' -T=target --target=target -o=@table:@json:@tsv --output=@table:@json:@tsv --timeout= '
        args='target'
        ;;
    'nodes set')
        subs=''
        opts='-T --target -p --portal -I --interface -n --dry-run -y --yes -o --output -J --json --no-color -v --verbose -q --quiet --timeout -h --help'
        vals=' -T=target --target=target -p=portal --portal=portal -I=@default:@iser:iface --interface=@default:@iser:iface -o=@table:@json:@tsv --output=@table:@json:@tsv --timeout= '
        args='@node.startup=:@node.leading_login=:@iface.net_ifacename=:@iface.ipaddress=:@iface.prefix_len=:@iface.hwaddress=:@iface.transport_name=:@iface.initiatorname=:@iface.state=:@iface.vlan_id=:@iface.vlan_priority=:@iface.vlan_state=:@iface.iface_num=:@iface.mtu=:@iface.port=:@iface.bootproto=:@iface.subnet_mask=:@iface.gateway=:@iface.dhcp_alt_client_id_state=:@iface.dhcp_alt_client_id=:@iface.dhcp_dns=:@iface.dhcp_learn_iqn=:@iface.dhcp_req_vendor_id_state=:@iface.dhcp_vendor_id_state=:@iface.dhcp_vendor_id=:@iface.dhcp_slp_da=:@iface.fragmentation=:@iface.gratuitous_arp=:@iface.incoming_forwarding=:@iface.tos_state=:@iface.tos=:@iface.ttl=:@iface.ipv6_autocfg=:@iface.linklocal_autocfg=:@iface.router_autocfg=:@iface.ipv6_linklocal=:@iface.ipv6_router=:@iface.dup_addr_detect_cnt=:@iface.flow_label=:@iface.gratuitous_neighbor_adv=:@iface.hop_limit=:@iface.mld=:@iface.nd_reachable_tmo=:@iface.nd_rexmit_time=:@iface.nd_stale_tmo=:@iface.router_adv_link_mtu=:@iface.traffic_class=:@iface.delayed_ack=:@iface.tcp_nagle=:@iface.tcp_wsf_state=:@iface.tcp_wsf=:@iface.tcp_timer_scale=:@iface.tcp_timestamp=:@iface.redirect=:@iface.def_task_mgmt_timeout=:@iface.header_digest=:@iface.data_digest=:@iface.immediate_data=:@iface.initial_r2t=:@iface.data_seq_inorder=:@iface.data_pdu_inorder=:@iface.erl=:@iface.max_receive_data_len=:@iface.first_burst_len=:@iface.max_outstanding_r2t=:@iface.max_burst_len=:@iface.chap_auth=:@iface.bidi_chap=:@iface.strict_login_compliance=:@iface.discovery_auth=:@iface.discovery_logout=:@node.session.initial_cmdsn=:@node.session.initial_login_retry_max=:@node.session.xmit_thread_priority=:@node.session.cmds_max=:@node.session.queue_depth=:@node.session.nr_sessions=:@node.session.auth.authmethod=:@node.session.auth.username=:@node.session.auth.username_in=:@node.session.auth.chap_algs=:@node.session.timeo.replacement_timeout=:@node.session.err_timeo.abort_timeout=:@node.session.err_timeo.lu_reset_timeout=:@node.session.err_timeo.tgt_reset_timeout=:@node.session.err_timeo.host_reset_timeout=:@node.session.iscsi.FastAbort=:@node.session.iscsi.InitialR2T=:@node.session.iscsi.ImmediateData=:@node.session.iscsi.FirstBurstLength=:@node.session.iscsi.MaxBurstLength=:@node.session.iscsi.DefaultTime2Retain=:@node.session.iscsi.DefaultTime2Wait=:@node.session.iscsi.MaxConnections=:@node.session.iscsi.MaxOutstandingR2T=:@node.session.iscsi.ERL=:@node.session.scan=:@node.session.reopen_max=:@node.session.conn_reopen_log_freq=:@node.session.sess_reopen_log_freq=:@node.conn[0].startup=:@node.conn[0].tcp.window_size=:@node.conn[0].tcp.type_of_service=:@node.conn[0].tcp.congestion_control=:@node.conn[0].timeo.logout_timeout=:@node.conn[0].timeo.login_timeout=:@node.conn[0].timeo.auth_timeout=:@node.conn[0].timeo.noop_out_interval=:@node.conn[0].timeo.noop_out_timeout=:@node.conn[0].iscsi.MaxXmitDataSegmentLength=:@node.conn[0].iscsi.MaxRecvDataSegmentLength=:@node.conn[0].iscsi.HeaderDigest=:@node.conn[0].iscsi.DataDigest=:@node.conn[0].iscsi.IFMarker=:@node.conn[0].iscsi.OFMarker=+'
        ;;
    'nodes show')
        subs=''
        opts='-T --target -p --portal -I --interface -o --output -J --json --no-color -v --verbose -q --quiet --timeout -h --help'
        vals=' -T=target --target=target -p=portal --portal=portal -I=@default:@iser:iface --interface=@default:@iser:iface -o=@table:@json:@tsv --output=@table:@json:@tsv --timeout= '
        args='target'
        ;;
    'login')
        subs=''
        opts='-T --target -p --portal -I --interface --all --header-digest --data-digest -n --dry-run -y --yes -o --output -J --json --no-color -v --verbose -q --quiet --timeout -h --help'
        vals=' -T=target --target=target -p=portal --portal=portal -I=@default:@iser:iface --interface=@default:@iser:iface --header-digest=@None:@CRC32C:@CRC32C,None:@None,CRC32C --data-digest=@None:@CRC32C:@CRC32C,None:@None,CRC32C -o=@table:@json:@tsv --output=@table:@json:@tsv --timeout= '
        args='target'
        ;;
    'logout')
        subs=''
        opts='-T --target -p --portal -I --interface --all --for -n --dry-run -y --yes -o --output -J --json --no-color -v --verbose -q --quiet --timeout -h --help'
        vals=' -T=target --target=target -p=portal --portal=portal -I=@default:@iser:iface --interface=@default:@iser:iface --for= -o=@table:@json:@tsv --output=@table:@json:@tsv --timeout= '
        args='target'
        ;;
    'rescan')
        subs=''
        opts='-T --target -n --dry-run -y --yes -o --output -J --json --no-color -v --verbose -q --quiet --timeout -h --help'
        vals=' -T=target --target=target -o=@table:@json:@tsv --output=@table:@json:@tsv --timeout= '
        args='target'
        ;;
    'startup')
        subs=''
        opts='-T --target -p --portal -I --interface -n --dry-run -y --yes -o --output -J --json --no-color -v --verbose -q --quiet --timeout -h --help'
        vals=' -T=target --target=target -p=portal --portal=portal -I=@default:@iser:iface --interface=@default:@iser:iface -o=@table:@json:@tsv --output=@table:@json:@tsv --timeout= '
        args='target @automatic:@manual:@onboot'
        ;;
    'forget')
        subs=''
        opts='-T --target -p --portal -I --interface -n --dry-run -y --yes -o --output -J --json --no-color -v --verbose -q --quiet --timeout -h --help'
        vals=' -T=target --target=target -p=portal --portal=portal -I=@default:@iser:iface --interface=@default:@iser:iface -o=@table:@json:@tsv --output=@table:@json:@tsv --timeout= '
        args='target'
        ;;
    'prune')
        subs=''
        opts='--for -n --dry-run -y --yes -o --output -J --json --no-color -v --verbose -q --quiet --timeout -h --help'
        vals=' --for= -o=@table:@json:@tsv --output=@table:@json:@tsv --timeout= '
        args='target+'
        ;;
    'take-over')
        subs=''
        opts='--lun --confirm -n --dry-run -y --yes -o --output -J --json --no-color -v --verbose -q --quiet --timeout -h --help'
        vals=' --lun= --confirm= -o=@table:@json:@tsv --output=@table:@json:@tsv --timeout= '
        args='target:device'
        ;;
    'hold')
        subs=''
        opts='--for -n --dry-run -y --yes -o --output -J --json --no-color -v --verbose -q --quiet --timeout -h --help'
        vals=' --for= -o=@table:@json:@tsv --output=@table:@json:@tsv --timeout= '
        args='target:mount:dir'
        ;;
    'unhold')
        subs=''
        opts='-n --dry-run -y --yes -o --output -J --json --no-color -v --verbose -q --quiet --timeout -h --help'
        vals=' -o=@table:@json:@tsv --output=@table:@json:@tsv --timeout= '
        args='target:mount:dir'
        ;;
    'chap')
        subs='check clear generate set show'
        opts='-h --help'
        vals='  '
        args=''
        ;;
    'chap check')
        subs=''
        opts='--chap-user --user --chap-secret-file --secret-file --chap-secret-prompt --secret-prompt --mutual-secret-file -o --output -J --json --no-color -v --verbose -q --quiet --timeout -h --help'
        vals=' --chap-user= --user= --chap-secret-file=file --secret-file=file --mutual-secret-file=file -o=@table:@json:@tsv --output=@table:@json:@tsv --timeout= '
        args=''
        ;;
    'chap clear')
        subs=''
        opts='-T --target -p --portal -I --interface --discovery --default -n --dry-run -y --yes -o --output -J --json --no-color -v --verbose -q --quiet --timeout -h --help'
        vals=' -T=target --target=target -p=portal --portal=portal -I=@default:@iser:iface --interface=@default:@iser:iface --discovery=portal -o=@table:@json:@tsv --output=@table:@json:@tsv --timeout= '
        args='target'
        ;;
    'chap generate')
        subs=''
        opts='--out -o --output -J --json --no-color -v --verbose -q --quiet --timeout -h --help'
        vals=' --out=file -o=@table:@json:@tsv --output=@table:@json:@tsv --timeout= '
        args=''
        ;;
    'chap set')
        subs=''
        opts='-T --target -p --portal -I --interface --discovery --default --chap-user --user --chap-secret-file --secret-file --chap-secret-prompt --secret-prompt --mutual-user --mutual-secret-file --mutual-secret-prompt --algorithms --method -n --dry-run -y --yes -o --output -J --json --no-color -v --verbose -q --quiet --timeout -h --help'
        vals=' -T=target --target=target -p=portal --portal=portal -I=@default:@iser:iface --interface=@default:@iser:iface --discovery=portal --chap-user= --user= --chap-secret-file=file --secret-file=file --mutual-user= --mutual-secret-file=file --algorithms= --method=@CHAP:@SRP:@KRB5:@Kerberos:@SPKM:@SPKM1:@SPKM2 -o=@table:@json:@tsv --output=@table:@json:@tsv --timeout= '
        args='target'
        ;;
    'chap show')
        subs=''
        opts='-T --target -p --portal -I --interface -o --output -J --json --no-color -v --verbose -q --quiet --timeout -h --help'
        vals=' -T=target --target=target -p=portal --portal=portal -I=@default:@iser:iface --interface=@default:@iser:iface -o=@table:@json:@tsv --output=@table:@json:@tsv --timeout= '
        args='target'
        ;;
    'schedule')
        subs='install remove status'
        opts='-h --help'
        vals='  '
        args=''
        ;;
    'schedule install')
        subs=''
        opts='--systemd --cron --every --prune --metrics -n --dry-run -y --yes -o --output -J --json --no-color -v --verbose -q --quiet --timeout -h --help'
        vals=' --every= --metrics=file -o=@table:@json:@tsv --output=@table:@json:@tsv --timeout= '
        args=''
        ;;
    'schedule remove')
        subs=''
        opts='-n --dry-run -y --yes -o --output -J --json --no-color -v --verbose -q --quiet --timeout -h --help'
        vals=' -o=@table:@json:@tsv --output=@table:@json:@tsv --timeout= '
        args=''
        ;;
    'schedule status')
        subs=''
        opts='-o --output -J --json --no-color -v --verbose -q --quiet --timeout -h --help'
        vals=' -o=@table:@json:@tsv --output=@table:@json:@tsv --timeout= '
        args=''
        ;;
    'watch')
        subs=''
        opts='-T --target -o --output -J --json --no-color -v --verbose -q --quiet --timeout --interval -h --help'
        vals=' -T=target --target=target -o=@table:@json:@tsv --output=@table:@json:@tsv --timeout= --interval= '
        args='target'
        ;;
    'initiator')
        subs='generate set show'
        opts='-h --help'
        vals='  '
        args=''
        ;;
    'initiator generate')
        subs=''
        opts='--new -n --dry-run -y --yes -o --output -J --json --no-color -v --verbose -q --quiet --timeout -h --help'
        vals=' -o=@table:@json:@tsv --output=@table:@json:@tsv --timeout= '
        args=''
        ;;
    'initiator set')
        subs=''
        opts='-n --dry-run -y --yes -o --output -J --json --no-color -v --verbose -q --quiet --timeout -h --help'
        vals=' -o=@table:@json:@tsv --output=@table:@json:@tsv --timeout= '
        args='none'
        ;;
    'initiator show')
        subs=''
        opts='-o --output -J --json --no-color -v --verbose -q --quiet --timeout -h --help'
        vals=' -o=@table:@json:@tsv --output=@table:@json:@tsv --timeout= '
        args=''
        ;;
    'iface')
        subs='add ls rm set show'
        opts='-h --help'
        vals='  '
        args=''
        ;;
    'iface add')
        subs=''
        opts='--transport --netdev --mac --ip -n --dry-run -y --yes -o --output -J --json --no-color -v --verbose -q --quiet --timeout -h --help'
        vals=' --transport=@tcp:@iser:@bnx2i:@cxgb3i:@cxgb4i:@be2iscsi:@qla4xxx:@qedi:@ocs --netdev= --mac= --ip= -o=@table:@json:@tsv --output=@table:@json:@tsv --timeout= '
        args='none'
        ;;
    'iface ls')
        subs=''
        opts='-o --output -J --json --no-color -v --verbose -q --quiet --timeout -h --help'
        vals=' -o=@table:@json:@tsv --output=@table:@json:@tsv --timeout= '
        args=''
        ;;
    'iface rm')
        subs=''
        opts='-n --dry-run -y --yes -o --output -J --json --no-color -v --verbose -q --quiet --timeout -h --help'
        vals=' -o=@table:@json:@tsv --output=@table:@json:@tsv --timeout= '
        args='iface'
        ;;
    'iface set')
        subs=''
        opts='--transport --netdev --mac --ip -n --dry-run -y --yes -o --output -J --json --no-color -v --verbose -q --quiet --timeout -h --help'
        vals=' --transport=@tcp:@iser:@bnx2i:@cxgb3i:@cxgb4i:@be2iscsi:@qla4xxx:@qedi:@ocs --netdev= --mac= --ip= -o=@table:@json:@tsv --output=@table:@json:@tsv --timeout= '
        args='iface @iface.net_ifacename=:@iface.ipaddress=:@iface.prefix_len=:@iface.hwaddress=:@iface.transport_name=:@iface.initiatorname=:@iface.state=:@iface.vlan_id=:@iface.vlan_priority=:@iface.vlan_state=:@iface.iface_num=:@iface.mtu=:@iface.port=:@iface.bootproto=:@iface.subnet_mask=:@iface.gateway=:@iface.dhcp_alt_client_id_state=:@iface.dhcp_alt_client_id=:@iface.dhcp_dns=:@iface.dhcp_learn_iqn=:@iface.dhcp_req_vendor_id_state=:@iface.dhcp_vendor_id_state=:@iface.dhcp_vendor_id=:@iface.dhcp_slp_da=:@iface.fragmentation=:@iface.gratuitous_arp=:@iface.incoming_forwarding=:@iface.tos_state=:@iface.tos=:@iface.ttl=:@iface.ipv6_autocfg=:@iface.linklocal_autocfg=:@iface.router_autocfg=:@iface.ipv6_linklocal=:@iface.ipv6_router=:@iface.dup_addr_detect_cnt=:@iface.flow_label=:@iface.gratuitous_neighbor_adv=:@iface.hop_limit=:@iface.mld=:@iface.nd_reachable_tmo=:@iface.nd_rexmit_time=:@iface.nd_stale_tmo=:@iface.router_adv_link_mtu=:@iface.traffic_class=:@iface.delayed_ack=:@iface.tcp_nagle=:@iface.tcp_wsf_state=:@iface.tcp_wsf=:@iface.tcp_timer_scale=:@iface.tcp_timestamp=:@iface.redirect=:@iface.def_task_mgmt_timeout=:@iface.header_digest=:@iface.data_digest=:@iface.immediate_data=:@iface.initial_r2t=:@iface.data_seq_inorder=:@iface.data_pdu_inorder=:@iface.erl=:@iface.max_receive_data_len=:@iface.first_burst_len=:@iface.max_outstanding_r2t=:@iface.max_burst_len=:@iface.chap_auth=:@iface.bidi_chap=:@iface.strict_login_compliance=:@iface.discovery_auth=:@iface.discovery_logout=+'
        ;;
    'iface show')
        subs=''
        opts='-o --output -J --json --no-color -v --verbose -q --quiet --timeout -h --help'
        vals=' -o=@table:@json:@tsv --output=@table:@json:@tsv --timeout= '
        args='@default:@iser:iface'
        ;;
    'boot')
        subs='check login show'
        opts='-h --help'
        vals='  '
        args=''
        ;;
    'boot check')
        subs=''
        opts='-T --target -o --output -J --json --no-color -v --verbose -q --quiet --timeout -h --help'
        vals=' -T=target --target=target -o=@table:@json:@tsv --output=@table:@json:@tsv --timeout= '
        args='target'
        ;;
    'boot login')
        subs=''
        opts='-n --dry-run -y --yes -o --output -J --json --no-color -v --verbose -q --quiet --timeout -h --help'
        vals=' -o=@table:@json:@tsv --output=@table:@json:@tsv --timeout= '
        args=''
        ;;
    'boot show')
        subs=''
        opts='-o --output -J --json --no-color -v --verbose -q --quiet --timeout -h --help'
        vals=' -o=@table:@json:@tsv --output=@table:@json:@tsv --timeout= '
        args=''
        ;;
    'service')
        subs='enable start status'
        opts='-h --help'
        vals='  '
        args=''
        ;;
    'service enable')
        subs=''
        opts='-n --dry-run -y --yes -o --output -J --json --no-color -v --verbose -q --quiet --timeout -h --help'
        vals=' -o=@table:@json:@tsv --output=@table:@json:@tsv --timeout= '
        args=''
        ;;
    'service start')
        subs=''
        opts='-n --dry-run -y --yes -o --output -J --json --no-color -v --verbose -q --quiet --timeout -h --help'
        vals=' -o=@table:@json:@tsv --output=@table:@json:@tsv --timeout= '
        args=''
        ;;
    'service status')
        subs=''
        opts='-o --output -J --json --no-color -v --verbose -q --quiet --timeout -h --help'
        vals=' -o=@table:@json:@tsv --output=@table:@json:@tsv --timeout= '
        args=''
        ;;
    'disk')
        subs='grow label ls mkfs part show'
        opts='-h --help'
        vals='  '
        args=''
        ;;
    'disk grow')
        subs=''
        opts='--lun -n --dry-run -y --yes -o --output -J --json --no-color -v --verbose -q --quiet --timeout -h --help'
        vals=' --lun= -o=@table:@json:@tsv --output=@table:@json:@tsv --timeout= '
        args='target:device:mount:dir'
        ;;
    'disk label')
        subs=''
        opts='--verify-blank --lun --wipe --confirm -n --dry-run -y --yes -o --output -J --json --no-color -v --verbose -q --quiet --timeout -h --help'
        vals=' --verify-blank=@quick:@full --lun= --confirm= -o=@table:@json:@tsv --output=@table:@json:@tsv --timeout= '
        args='target:device @gpt:@dos:@bsd:@sun'
        ;;
    'disk ls')
        subs=''
        opts='-o --output -J --json --no-color -v --verbose -q --quiet --timeout -h --help'
        vals=' -o=@table:@json:@tsv --output=@table:@json:@tsv --timeout= '
        args=''
        ;;
    'disk mkfs')
        subs=''
        opts='--fs --label --uuid --option --verify-blank --discard --lun --wipe --confirm -n --dry-run -y --yes -o --output -J --json --no-color -v --verbose -q --quiet --timeout -h --help'
        vals=' --fs=@ext2:@ext3:@ext4:@xfs:@btrfs:@vfat:@swap --label= --uuid= --option= --verify-blank=@quick:@full --lun= --confirm= -o=@table:@json:@tsv --output=@table:@json:@tsv --timeout= '
        args='target:device'
        ;;
    'disk part')
        subs='add bootable rm type verify'
        opts='-h --help'
        vals='  '
        args=''
        ;;
    'disk part add')
        subs=''
        opts='--size --rest --start --type --bootable --number --lun -n --dry-run -y --yes -o --output -J --json --no-color -v --verbose -q --quiet --timeout -h --help'
        vals=' --size= --start= --type= --number= --lun= -o=@table:@json:@tsv --output=@table:@json:@tsv --timeout= '
        args='target:device:mount:dir'
        ;;
    'disk part bootable')
        subs=''
        opts='--off --lun -n --dry-run -y --yes -o --output -J --json --no-color -v --verbose -q --quiet --timeout -h --help'
        vals=' --lun= -o=@table:@json:@tsv --output=@table:@json:@tsv --timeout= '
        args='target:device:mount:dir none'
        ;;
    'disk part rm')
        subs=''
        opts='--lun -n --dry-run -y --yes -o --output -J --json --no-color -v --verbose -q --quiet --timeout -h --help'
        vals=' --lun= -o=@table:@json:@tsv --output=@table:@json:@tsv --timeout= '
        args='target:device:mount:dir none'
        ;;
    'disk part type')
        subs=''
        opts='--list --lun -n --dry-run -y --yes -o --output -J --json --no-color -v --verbose -q --quiet --timeout -h --help'
        vals=' --list=@gpt:@dos:@sun --lun= -o=@table:@json:@tsv --output=@table:@json:@tsv --timeout= '
        args='target:device:mount:dir none none'
        ;;
    'disk part verify')
        subs=''
        opts='--lun -o --output -J --json --no-color -v --verbose -q --quiet --timeout -h --help'
        vals=' --lun= -o=@table:@json:@tsv --output=@table:@json:@tsv --timeout= '
        args='target:device:mount:dir'
        ;;
    'disk show')
        subs=''
        opts='--lun -o --output -J --json --no-color -v --verbose -q --quiet --timeout -h --help'
        vals=' --lun= -o=@table:@json:@tsv --output=@table:@json:@tsv --timeout= '
        args='target:device:mount:dir'
        ;;
    'mount')
        subs=''
        opts='--options --over-nonempty --lun -n --dry-run -y --yes -o --output -J --json --no-color -v --verbose -q --quiet --timeout -h --help'
        vals=' --options= --lun= -o=@table:@json:@tsv --output=@table:@json:@tsv --timeout= '
        args='target:device:mount:dir dir'
        ;;
    'umount')
        subs=''
        opts='--lun -n --dry-run -y --yes -o --output -J --json --no-color -v --verbose -q --quiet --timeout -h --help'
        vals=' --lun= -o=@table:@json:@tsv --output=@table:@json:@tsv --timeout= '
        args='target:device:mount:dir'
        ;;
    'fstab')
        subs='add check ls rm'
        opts='-h --help'
        vals='  '
        args=''
        ;;
    'fstab add')
        subs=''
        opts='--options --no-boot --lun -n --dry-run -y --yes -o --output -J --json --no-color -v --verbose -q --quiet --timeout -h --help'
        vals=' --options= --lun= -o=@table:@json:@tsv --output=@table:@json:@tsv --timeout= '
        args='target:device:mount:dir dir'
        ;;
    'fstab check')
        subs=''
        opts='-o --output -J --json --no-color -v --verbose -q --quiet --timeout -h --help'
        vals=' -o=@table:@json:@tsv --output=@table:@json:@tsv --timeout= '
        args=''
        ;;
    'fstab ls')
        subs=''
        opts='-o --output -J --json --no-color -v --verbose -q --quiet --timeout -h --help'
        vals=' -o=@table:@json:@tsv --output=@table:@json:@tsv --timeout= '
        args=''
        ;;
    'fstab rm')
        subs=''
        opts='-n --dry-run -y --yes -o --output -J --json --no-color -v --verbose -q --quiet --timeout -h --help'
        vals=' -o=@table:@json:@tsv --output=@table:@json:@tsv --timeout= '
        args='mount:dir'
        ;;
    'import')
        subs=''
        opts='--bindings -n --dry-run -y --yes -o --output -J --json --no-color -v --verbose -q --quiet --timeout -h --help'
        vals=' --bindings=file -o=@table:@json:@tsv --output=@table:@json:@tsv --timeout= '
        args='file'
        ;;
    'completion')
        subs=''
        opts='-o --output -J --json --no-color -v --verbose -q --quiet --timeout -h --help'
        vals=' -o=@table:@json:@tsv --output=@table:@json:@tsv --timeout= '
        args='@bash:@zsh:@fish'
        ;;
    'explain')
        subs=''
        opts='-o --output -J --json --no-color -v --verbose -q --quiet --timeout -h --help'
        vals=' -o=@table:@json:@tsv --output=@table:@json:@tsv --timeout= '
        args='none+'
        ;;
    'report')
        subs=''
        opts='--no-names -o --output -J --json --no-color -v --verbose -q --quiet --timeout -h --help'
        vals=' -o=@table:@json:@tsv --output=@table:@json:@tsv --timeout= '
        args='file'
        ;;
    *) return 1 ;;
    esac
}

# Adds what begins with $cur and is not there yet.
_iscsictl_add() {
    local word
    for word; do
        [[ -n $word && $word == "$cur"* && -z ${seen[$word]-} ]] || continue
        seen[$word]=1
        COMPREPLY+=("$word")
    done
}

_iscsictl_portal() { # ADDRESS,PORT[,TPGT]
    local address=${1%%,*} port=${1#*,}
    port=${port%%,*}
    [[ $port == "$1" ]] && return
    [[ $address == *:* ]] && address="[$address]"
    _iscsictl_add "$address:$port"
}

_iscsictl_mount() { # as fstab(5) and the kernel write it: a blank as \040, a backslash as \134
    local directory=$1 backslash='\'
    [[ $directory == /* ]] || return
    directory=${directory//'\040'/' '}
    directory=${directory//'\011'/$'\t'}
    directory=${directory//'\012'/$'\n'}
    directory=${directory//'\043'/'#'}
    directory=${directory//'\134'/"$backslash"}
    _iscsictl_add "$directory"
}

# Adds the names of one kind that are on this machine now.
_iscsictl_live() {
    local root=${ISCSICTL_ROOT-} path name rest
    root=${root%/}
    case $1 in
    target)
        for path in "$root"/{etc,var/lib}/iscsi/nodes/"$cur"*; do
            _iscsictl_add "${path##*/}"
        done
        for path in "$root"/sys/class/iscsi_session/*/targetname; do
            read -r name 2>/dev/null <"$path" && _iscsictl_add "$name"
        done
        ;;
    portal)
        for path in "$root"/{etc,var/lib}/iscsi/nodes/*/* \
            "$root"/{etc,var/lib}/iscsi/send_targets/*; do
            [[ -n $target && $path != */"$target"/* ]] || _iscsictl_portal "${path##*/}"
        done
        ;;
    iface)
        for path in "$root"/{etc,var/lib}/iscsi/ifaces/*; do
            name=${path##*/}
            [[ $name == iface.example ]] || _iscsictl_add "$name"
        done
        ;;
    device)
        for path in "$root"/sys/class/iscsi_session/session*/device/target*/*/block/*; do
            for name in "$path" "$path/${path##*/}"*; do
                _iscsictl_add "/dev/${name##*/}"
            done
        done
        for path in "$root"/dev/disk/by-path/*-iscsi-* "$root"/dev/mapper/mpath*; do
            _iscsictl_add "${path#"$root"}"
        done
        ;;
    mount)
        while read -r name path rest; do
            [[ $name == /dev/* || $rest == *_netdev* ]] || continue
            _iscsictl_mount "$path"
        done 2>/dev/null <"$root/proc/self/mounts"
        while read -r name path rest; do
            [[ $name != '#'* && $rest == *_netdev* ]] || continue
            _iscsictl_mount "$path"
        done 2>/dev/null <"$root/etc/fstab"
        ;;
    # Where nothing else fits readline looks for files itself: it knows ~ and quotes.
    file) compopt -o default 2>/dev/null ;;
    dir) # An absolute one: another is no mount point.
        if [[ $cur == [/~]* ]]; then
            compopt -o dirnames 2>/dev/null
        elif [[ -z $cur ]] && ((${#COMPREPLY[@]} == 0)); then
            COMPREPLY=(/)
            compopt -o nospace 2>/dev/null
        fi
        ;;
    esac
}

# Adds all that a list like `@gpt:@dos` or `target:dir` names, but looks for no target where
# a path was begun, nor the other way round.
_iscsictl_fill() {
    local kind rest=$1:
    # Not by word splitting: a key such as node.conn[0].address is a pattern for files, too.
    while [[ $rest ]]; do
        kind=${rest%%:*} rest=${rest#*:}
        if [[ $kind == @* ]]; then
            _iscsictl_add "${kind#@}"
        elif [[ $kind:$cur != target:/* && $kind:$cur != device:[!/]* &&
            $kind:$cur != mount:[!/]* ]]; then
            _iscsictl_live "$kind"
        fi
    done
}

# Parts $1 at blanks as the shell does: COMP_WORDS breaks names at each colon. Sets words,
# the last one being what TAB is for, and quote, which is open there.
_iscsictl_split() {
    local text=$1 char word='' at begun=0
    words=() quote=''
    for ((at = 0; at < ${#text}; at++)); do
        char=${text:at:1}
        if [[ -z $quote && $char == [[:blank:]] ]]; then
            ((begun)) && words+=("$word")
            word='' begun=0
            continue
        fi
        begun=1
        if [[ $char == "$quote" ]]; then
            quote=''
        elif [[ -z $quote && $char == [\"\'] ]]; then
            quote=$char
        elif [[ $quote != \' && $char == \\ ]]; then
            ((at += 1))
            word+=${text:at:1}
        else
            word+=$char
        fi
    done
    words+=("$word")
}

# Sets value to what the option $1 or the last of a cluster takes (none: anything), empty for
# a flag, and lead to all that stands before the value.
_iscsictl_option() {
    local name at=2
    value='' lead=''
    [[ $1 == --* ]] && at=${#1}
    for (( ; at <= ${#1}; at++)); do
        name=-${1:at-1:1} lead=${1:0:at}
        [[ $1 == --* ]] && name=${1%%=*} lead=$name${1:${#name}:1}
        [[ $vals == *" $name="* ]] || continue
        value=${vals#*" $name="}
        value=${value%% *}
        value=${value:-none}
        return
    done
}

# Writes what is left to type of each word as the quote that is open wants it.
_iscsictl_reply() {
    local at word
    for at in "${!COMPREPLY[@]}"; do
        word=$lead${COMPREPLY[at]}
        # Readline replaces only what follows the last break character.
        word=${word#"$1"}
        if [[ $quote == \' ]]; then
            word=${word//\'/"'\''"}
        elif [[ $quote == \" ]]; then
            word=${word//\\/"\\\\"}
            word=${word//\"/"\\\""}
            word=${word//\$/"\\\$"}
            word=${word//\`/"\\\`"}
        elif [[ $word == *[!][[:alnum:]._:/@%+=,-]* ]]; then
            printf -v word %q "$word"
        fi
        COMPREPLY[at]=$word
        [[ $word != *= ]] || compopt -o nospace 2>/dev/null
    done
}

_iscsictl() {
    local cur word path='' value='' lead='' target='' quote only=0 place=0 at
    local subs opts vals args typed=${COMP_LINE:0:COMP_POINT} shell=:$BASHOPTS:
    local IFS=$' \t\n'
    local -a line words
    local -A seen=()
    COMPREPLY=()
    _iscsictl_split "$typed"
    cur=${words[${#words[@]} - 1]}
    shopt -s nullglob
    shopt -u failglob
    _iscsictl_spec ''
    for ((at = 1; at < ${#words[@]} - 1; at++)); do
        word=${words[at]}
        if [[ -n $value ]]; then
            [[ $value == target ]] && target=$word
            value=''
        elif ((only)); then
            ((place += 1))
        elif [[ $word == -- ]]; then
            only=1
        elif [[ $word == -* ]]; then
            _iscsictl_option "$word"
            [[ $value && $word != "$lead" ]] || continue
            [[ $value == target ]] && target=${word#"$lead"}
            value=''
        elif [[ -n $subs && " $subs " == *" $word "* ]]; then
            path=${path:+$path }$word
            _iscsictl_spec "$path" || break
        else
            ((place += 1))
        fi
    done
    lead=''
    if [[ -n $value ]]; then
        _iscsictl_fill "$value"
    elif ((!only)) && [[ $cur == -* ]]; then
        _iscsictl_option "$cur"
        if [[ $value && $cur != "$lead" || $cur == --*= ]]; then
            cur=${cur#"$lead"}
            _iscsictl_fill "$value"
        else
            lead=''
            _iscsictl_add $opts
        fi
    elif [[ -n $subs ]]; then
        _iscsictl_add $subs
    else
        read -r -a line <<<"$args"
        if ((place < ${#line[@]})); then
            word=${line[place]}
        elif [[ -n $args && ${line[${#line[@]} - 1]} == *+ ]]; then
            word=${line[${#line[@]} - 1]}
        else
            word=''
        fi
        _iscsictl_fill "${word%+}"
    fi
    [[ $shell == *:nullglob:* ]] || shopt -u nullglob
    [[ $shell != *:failglob:* ]] || shopt -s failglob
    path=$quote
    _iscsictl_split "${typed%"$2"}"
    quote=$path
    _iscsictl_reply "${words[${#words[@]} - 1]}"
}

complete -F _iscsictl iscsictl
