iptables -A OUTPUT -o lo -j ACCEPT
iptables -A OUTPUT -p tcp -m multiport --dports 80,443 -j LOG
iptables -N storage
iptables -A OUTPUT -d 192.0.2.0/24 -j storage
iptables -A storage -p tcp --dport 3260 -m comment --comment "no iSCSI" -j REJECT
iptables -t nat -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
