"""Point defects: vacancies, substitutions, interstitials."""
