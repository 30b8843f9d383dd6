"""The report as a spreadsheet, with its charts as charts."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ci.score.story import Chart, Story, Table

FIRST_WIDTH, WIDTH = 44, 18


def workbook(story: Story) -> bytes:
    """An .xlsx file: the run, the distribution, and the highest and lowest rows."""
    import xlsxwriter

    target = BytesIO()
    # No text becomes a formula or a link: cells hold what stood in somebody's file.
    options = {
        "in_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
    }
    with xlsxwriter.Workbook(target, options) as book:
        formats = {
            "title": book.add_format({"bold": True, "font_size": 14}),
            "head": book.add_format({"bold": True, "bottom": 1}),
            "whole": book.add_format({"num_format": "#,##0"}),
            "decimal": book.add_format({"num_format": "#,##0.00##"}),
            "share": book.add_format({"num_format": "0.0%"}),
        }
        _summary(book, story, formats)
        for chart, table in zip(story.charts, story.distributions, strict=True):
            _distribution(book, chart, table, formats)
        if story.extremes:
            sheet = _sheet(book, "Highest and lowest")
            row = 0
            for table in story.extremes:
                row = _write(sheet, table, row, formats) + 2
    return target.getvalue()


def _sheet(book: Any, name: str) -> Any:
    sheet = book.add_worksheet(name)
    sheet.set_column(0, 0, FIRST_WIDTH)
    sheet.set_column(1, 20, WIDTH)
    return sheet


def _summary(book: Any, story: Story, formats: dict[str, Any]) -> None:
    sheet = _sheet(book, "Summary")
    sheet.write_string(0, 0, story.title, formats["title"])
    for row, text in enumerate([story.headline, *story.sentences, story.description], start=1):
        sheet.write_string(row, 0, text)
    _write(sheet, story.facts, len(story.sentences) + 4, formats)


def _write(sheet: Any, table: Table, row: int, formats: dict[str, Any]) -> int:
    """Write the table from ``row`` on; returns the first row below it."""
    sheet.write_string(row, 0, table.title, formats["title"])
    for place, name in enumerate(table.columns):
        sheet.write_string(row + 1, place, name, formats["head"])
    for at, cells in enumerate(table.rows, start=row + 2):
        for place, cell in enumerate(cells):
            _cell(sheet, at, place, cell, place in table.shares, formats)
    return row + 2 + len(table.rows)


def _cell(
    sheet: Any, row: int, place: int, cell: Any, share: bool, formats: dict[str, Any]
) -> None:
    if cell is None:
        sheet.write_blank(row, place, None)
    elif isinstance(cell, int | float) and not isinstance(cell, bool):
        kind = "share" if share else "whole" if isinstance(cell, int) else "decimal"
        sheet.write_number(row, place, cell, formats[kind])
    else:
        sheet.write_string(row, place, str(cell))


def _distribution(book: Any, chart: Chart, table: Table, formats: dict[str, Any]) -> None:
    """The table, and below it the chart with the figures it is drawn from."""
    name = f"Distribution {len(book.worksheets())}"
    sheet = _sheet(book, name)
    first = _write(sheet, table, 0, formats) + 1
    series = [("this time", chart.now), *([("last time", chart.before)] if chart.before else [])]
    for place, title in enumerate([chart.axis, *(title for title, _ in series)]):
        sheet.write_string(first, place, title, formats["head"])
    last = first + len(chart.names)
    for at, label in enumerate(chart.names, start=first + 1):
        sheet.write_string(at, 0, label)
        for place, (_, values) in enumerate(series, start=1):
            sheet.write_number(at, place, values[at - first - 1], formats["share"])
    drawn = book.add_chart({"type": "column"})
    for place in range(1, len(series) + 1):
        drawn.add_series(
            {
                "name": [name, first, place],
                "categories": [name, first + 1, 0, last, 0],
                "values": [name, first + 1, place, last, place],
            }
        )
    drawn.set_title({"name": chart.title, "name_font": {"size": 12}})
    drawn.set_y_axis({"num_format": "0%", "name": "share of the rows"})
    drawn.set_size({"width": 860, "height": 340})
    sheet.insert_chart(first, len(series) + 2, drawn)
