"""The restorer that says how sure it is: a residual U-Net that draws a mean and an interval."""
