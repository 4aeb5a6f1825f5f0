"""The lecturer's side on a laptop: voice, slides and camera go to a relay; a full-quality copy stays here."""
