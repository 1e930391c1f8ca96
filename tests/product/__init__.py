"""What people expect of such a tool, row by row of the README's table, on both backends."""
