"""A run folder to one HTML file; no model is loaded.

============ ==========================================================================
`page`       the file: a template filled with contents
`contents`   what stands in each section, as plain values
`figures`    the run's figures as SVG
============ ==========================================================================
"""

from finetune.report.page import write_report

__all__ = ["write_report"]
