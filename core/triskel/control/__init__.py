"""What steers the control plane itself: which policies are in use, how they change, what records say about a change."""
