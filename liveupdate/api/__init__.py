"""The REST API: validates, authorises, writes rows, answers. The pipeline is app.build_app, read from top to bottom."""
