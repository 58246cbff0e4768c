"""The host: systemd, cron, kernel modules, network, facts."""
