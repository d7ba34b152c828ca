"""The report: which modality and which fusion helps, and how sure that is. `page.write` makes it."""
