"""Each lab of the lessons as a page of its own, without code, served by Voilà: `python run.py dashboards`."""
