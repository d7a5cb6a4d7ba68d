import DiskZap
