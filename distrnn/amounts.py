"""Amounts as a person reads them, alike in the terminal, in reports and in pages."""


def size(count_bytes: int) -> str:
    """Bytes in the largest unit of which there is one: `812 B`, `10.8 MB`."""
    amount, units = float(count_bytes), ["B", "kB", "MB", "GB", "TB"]
    while amount >= 1000 and len(units) > 1:
        amount, units = amount / 1000, units[1:]
    return f"{amount:.0f} B" if units[0] == "B" else f"{amount:.1f} {units[0]}"
