"""What every concurrent operator stands on: tasks, a source reader, one way out."""
