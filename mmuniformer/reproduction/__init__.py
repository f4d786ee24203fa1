"""The paper's tables beside what this package has: rows, runs, report."""
