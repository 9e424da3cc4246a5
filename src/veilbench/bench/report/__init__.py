"""The report: a leaderboard for programs, a page for readers, a table for the terminal."""
