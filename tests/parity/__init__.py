# SPDX-License-Identifier: MIT
"""Does a loop do what asyncio's does? One probe a row of docs/parity.md says so by running it."""
