"""What a reviewer reads: Markdown with the verdict first."""
