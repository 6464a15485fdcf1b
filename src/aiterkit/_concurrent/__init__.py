"""Many at once, up to a bound that you name, inside a block that you can see."""
