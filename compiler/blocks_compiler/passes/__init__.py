"""The passes over a block graph, one a file; each states what it requires and what it ensures."""
