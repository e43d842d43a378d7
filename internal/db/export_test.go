package db

import "time"

// Beat has workers beat so often until done is called.
func Beat(d time.Duration) (done func()) {
	was := beat
	beat = d
	return func() { beat = was }
}
