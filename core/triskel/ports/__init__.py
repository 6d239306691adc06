"""What the core needs from outside, as Protocols: one file each, each with one contract suite in `triskel.testing`."""
