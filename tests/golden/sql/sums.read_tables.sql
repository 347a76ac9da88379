-- beginning = "sealing_"
SELECT name, comment, dateDiff('second', metadata_modification_time, now()) FROM system.tables WHERE database = currentDatabase() AND startsWith(name, {beginning:String}) ORDER BY name
