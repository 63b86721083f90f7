"""Spreadsheets as openpyxl reads and writes them.

read FILE   the rows of the first sheet as JSON: each cell as [type, value], as openpyxl calls them
write FILE  a sheet of the rows on standard input; {"date": "2027-12-31"} becomes a date, other values stay what they are
"""

import datetime
import json
import sys

import openpyxl


def read(path):
    sheet = openpyxl.load_workbook(path).worksheets[0]
    rows = [[[cell.data_type, cell.value] for cell in row] for row in sheet.iter_rows()]
    json.dump(rows, sys.stdout)


def write(path):
    book = openpyxl.Workbook()
    for row in json.load(sys.stdin):
        cells = [datetime.date.fromisoformat(cell["date"]) if isinstance(cell, dict) else cell for cell in row]
        book.active.append(cells)
    book.save(path)


{"read": read, "write": write}[sys.argv[1]](sys.argv[2])
