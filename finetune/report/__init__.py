"""The folder of a run, a cross-validation or an evaluation to one HTML file; no model is loaded.

============ ==========================================================================
`page`       the file: a template filled with contents
`contents`   what stands in each section, as plain values
`subject`    what the report is about
`figures`    its figures as SVG
============ ==========================================================================
"""

from finetune.report.page import write_report
from finetune.report.subject import open_subject, subject_of

__all__ = ["open_subject", "subject_of", "write_report"]
