"""Tests. A package, because a library that we install brings one of the same name by mistake."""
