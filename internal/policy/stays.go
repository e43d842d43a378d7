package policy

import "slices"

// Stays says why what goes to a person in a case stays protected whatever they
// chose, or "". A choice is about one's own data, and nobody can look into a
// text and say whose data it holds. So it counts only where no one else is near:
// the case is theirs, nobody else is part of it or gets the same message, and
// its mailbox is not on the organisation's list of what is always protected.
func Stays[ID ~string](person, owner ID, others []ID, listed bool) string {
	switch {
	case listed:
		return "what comes to this mailbox stays protected whatever somebody chose"
	case person == "" || person != owner:
		return "this case is another person's, and other people's data stays protected"
	case slices.ContainsFunc(others, func(o ID) bool { return o != person }):
		return "other people are part of this, and their data stays protected"
	}
	return ""
}
