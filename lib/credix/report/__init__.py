"""05: verdict, figures, charts and published pages."""
