"""Few settings in which every value of every field stands at least once, beside different others."""

import random


def covering(tables, at_least):
    """A dict for each row: as many rows as the longest table has values, or `at_least`.

    tables: name -> the values that are to be tried. Each field goes round its values in an order of its own, which is
    the same in every call.
    """
    count = max(at_least, *map(len, tables.values()))
    columns = []
    for name, values in tables.items():
        shuffle, column = random.Random(name), []
        while len(column) < count:
            column += shuffle.sample(list(values), len(values))
        columns.append(column[:count])
    return [dict(zip(tables, row, strict=True)) for row in zip(*columns, strict=True)]
