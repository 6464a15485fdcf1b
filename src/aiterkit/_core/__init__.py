"""What both wings are built on: types, opening a source, checking arguments."""
