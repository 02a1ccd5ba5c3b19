"""What people look at: tables, figures, sentences, the page."""
