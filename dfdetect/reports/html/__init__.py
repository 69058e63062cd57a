"""The parts of the HTML report: what is shown (views), in which words, with which pictures, and the page.

`dfdetect.reports.html_report` puts them together.  Templates, style and script lie beside the code.
"""
