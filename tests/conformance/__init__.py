# SPDX-License-Identifier: MIT
"""CPython's own test_asyncio, run on any event loop: see docs/internals/conformance.md."""
