"""What is timed, against what; runnable by anyone. Nothing in the package imports from here."""
