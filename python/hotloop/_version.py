# SPDX-License-Identifier: MIT
"""The one place that holds hotloop's own version."""

__version__ = "0.1.0"
