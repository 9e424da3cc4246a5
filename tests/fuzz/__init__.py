"""A fuzz of everything that a user can hand to veilbench: see docs/reliability.md.

`case` says what an input is, `kinds/` makes them, `world` is the folder that they meet, `process` runs them, `judge`
says what came of each, and `runner` does so many times.
"""
