SELECT days, toUnixTimestamp64Micro(at) FROM retention ORDER BY at
