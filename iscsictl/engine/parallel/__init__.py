"""Work on the volumes of a file side by side."""
