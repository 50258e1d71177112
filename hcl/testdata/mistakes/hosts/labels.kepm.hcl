host "l1" { labels = { "a b" = "x" } }
host "l2" { labels = { n = 1 } }
host "l3" { labels = { gone = null, there = "" } }
host "l4" { labels = { bell = "\u0007" } }
