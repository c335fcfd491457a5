"""Links that come and go: named profiles, replayable timelines, and a proxy that plays them."""
