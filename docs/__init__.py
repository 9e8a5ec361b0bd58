"""The site: `python -m docs.build OUT` writes it, from the notebooks, offline."""
