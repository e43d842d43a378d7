package desk

import (
	"postern/internal/figures"
	"postern/internal/web"
)

// FiguresPage is "figures".
type FiguresPage struct {
	web.Staff
	*figures.Figures
	Weeks                   int
	From, To                web.When
	Wait, Slowest, Oldest   string
	Silent                  string // days since a reporter last heard
	Charts                  []Chart
	Lifts                   []figures.Count
	Topics, Replies, Groups []figures.Opinion
}

// Chart is stacked bars over weeks, drawn by the server.
type Chart struct {
	Title  string
	W, H   int
	Most   int64 // highest bar
	Bars   []Bar
	Marks  []Mark
	Labels []string
	Series []Series
}

// Series is one part of each bar.
type Series struct {
	Name string
	N    []int64
	Tone Tone
}

// Tone is how a part of a bar looks.
type Tone string

const (
	Main  Tone = ""      // what the chart is about
	Other Tone = "other" // the rest of it
	Bad   Tone = "bad"   // what should not be
)

// Bar is a rectangle of the chart.
type Bar struct {
	X, Y, W, H int
	Tone       Tone
	Title      string
}

// Mark is a word below the chart.
type Mark struct {
	X    int
	Text string
}
