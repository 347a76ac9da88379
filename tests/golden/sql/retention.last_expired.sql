SELECT maxOrNull(day) FROM expired_days FINAL WHERE kept > 0
