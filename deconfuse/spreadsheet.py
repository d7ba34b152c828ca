"""Text that ends up in a spreadsheet."""

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a cell begins with that a spreadsheet would run."""


def plain(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula: with an apostrophe before what it would run, but for numbers."""
    if not cell.startswith(FORMULA):
        return cell
    try:
        float(cell)
    except ValueError:
        return f"'{cell}"
    return cell
