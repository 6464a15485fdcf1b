"""The concurrent side: one file per row of the contract."""
