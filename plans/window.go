package plans

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Window is when hosts may be changed. It opens on its days at From and closes at
// To, on the next day where To is not after From.
type Window struct {
	Days []string `json:"days,omitempty"` // "mon" to "sun"; none: every day
	From Clock    `json:"from"`
	To   Clock    `json:"to"`
	Zone string   `json:"zone"` // of the IANA database, or "UTC"
}

// A Clock is a time of day, "22:00".
type Clock string

// ClockLayout is how a Clock is written, for time.Parse.
const ClockLayout = "15:04"

// Weekdays are the names of days, as time.Weekday counts them.
var Weekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// Validate says what about the window is not one.
func (w Window) Validate() error {
	for _, d := range w.Days {
		if !slices.Contains(Weekdays, d) {
			return fmt.Errorf("%.20q is no day: write %s", d, strings.Join(Weekdays, ", "))
		}
	}
	for _, c := range []Clock{w.From, w.To} {
		if t, err := time.Parse(ClockLayout, string(c)); err != nil || t.Format(ClockLayout) != string(c) {
			return fmt.Errorf("%.20q is no time of day: write it as 22:00", string(c))
		}
	}
	if w.From == w.To {
		return fmt.Errorf("a window from %s to %s never opens", w.From, w.To)
	}
	if _, err := w.location(); err != nil {
		return fmt.Errorf("%.60q is no time zone: write one such as Europe/Paris, or UTC", w.Zone)
	}
	return nil
}

// location is the window's zone. What follows this machine's own is refused: the
// same plan would mean another time elsewhere.
func (w Window) location() (*time.Location, error) {
	if w.Zone == "" || w.Zone == "Local" {
		return nil, fmt.Errorf("no zone")
	}
	return time.LoadLocation(w.Zone)
}

// String is the window as people read it.
func (w Window) String() string {
	days := "every day"
	if len(w.Days) > 0 {
		days = strings.Join(w.Days, ", ")
	}
	return fmt.Sprintf("%s %s to %s %s", days, w.From, w.To, w.Zone)
}

// Opens says whether work that takes so long may begin now, and if not, when the
// window next opens for it; the zero time if it never does.
func (w Window) Opens(now time.Time, needs time.Duration) (open bool, next time.Time) {
	zone, err := w.location()
	if err != nil {
		return false, time.Time{}
	}
	local := now.In(zone)
	// A week and a day ahead each day's window was seen; yesterday's may reach into today.
	for d := -1; d <= 8; d++ {
		day := time.Date(local.Year(), local.Month(), local.Day()+d, 12, 0, 0, 0, zone)
		if len(w.Days) > 0 && !slices.Contains(w.Days, Weekdays[day.Weekday()]) {
			continue
		}
		from, to := w.From.on(day), w.To.on(day)
		if w.To <= w.From {
			to = w.To.on(day.AddDate(0, 0, 1))
		}
		last := to.Add(-needs)
		switch {
		case last.Before(from), now.After(last): // too short for it, or over
		case now.Before(from):
			return false, from
		default:
			return true, now
		}
	}
	return false, time.Time{}
}

// on is the clock's instant on a day. A time that the day does not have, because
// clocks go forward over it, is the instant at which they do; of a time that it
// has twice it is the first.
func (c Clock) on(day time.Time) time.Time {
	t, err := time.Parse(ClockLayout, string(c))
	if err != nil {
		return day // Validate refused it
	}
	at := time.Date(day.Year(), day.Month(), day.Day(), t.Hour(), t.Minute(), 0, 0, day.Location())
	begins, ends := at.ZoneBounds()
	// With its day: where clocks go forward at midnight, the hour before is yesterday's.
	asked := time.Date(day.Year(), day.Month(), day.Day(), t.Hour(), t.Minute(), 0, 0, time.UTC)
	has := time.Date(at.Year(), at.Month(), at.Day(), at.Hour(), at.Minute(), 0, 0, time.UTC)
	switch {
	case has.Before(asked):
		return ends
	case has.After(asked):
		return begins
	}
	_, offset := at.Zone()
	if !begins.IsZero() {
		_, before := begins.Add(-time.Second).Zone()
		if earlier := at.Add(time.Duration(offset-before) * time.Second); before > offset && earlier.Before(begins) {
			return earlier
		}
	}
	return at
}
