"""What happens when processes, links, brokers, disks and clocks fail, phase by phase, for real."""
