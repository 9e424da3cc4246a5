"""Small changes to the code, to see whether the tests notice them: see docs/reliability.md.

`changes` makes the mutants of a syntax tree, `places` says where none are made, `sampling` draws some, `related` finds
the tests that could notice one, `copied` is the tree that is changed, `process` runs tests in it, `reach` is what they
report, `judging` compares, and `result` is the table.
"""
