"""The installation itself: health, manifest, API document, event stream."""
