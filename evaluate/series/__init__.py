"""Time series: drift, tracks of atoms from frame to frame, and what moved, came, left or was only missed."""
