"""One at a time, in order, only while you await. No task is ever started."""
