package status

import (
	"context"
	"log/slog"
	"strings"
)

// Handler passes records on to next and counts warnings and errors as problems
// of the stage.
func (r *Recorder) Handler(next slog.Handler) slog.Handler { return &handler{next: next, to: r} }

// handler is a slog.Handler.
type handler struct {
	next   slog.Handler
	to     *Recorder
	prefix string // attributes given by With
}

func (h *handler) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn || h.next.Enabled(ctx, level)
}

func (h *handler) Handle(ctx context.Context, rec slog.Record) error {
	if rec.Level >= slog.LevelWarn {
		var b strings.Builder
		b.WriteString(h.prefix)
		rec.Attrs(func(a slog.Attr) bool { appendAttr(&b, a); return true })
		h.to.Problem(rec.Message, strings.TrimSpace(b.String()))
	}
	if !h.next.Enabled(ctx, rec.Level) {
		return nil
	}
	return h.next.Handle(ctx, rec)
}

func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	var b strings.Builder
	b.WriteString(h.prefix)
	for _, a := range attrs {
		appendAttr(&b, a)
	}
	return &handler{next: h.next.WithAttrs(attrs), to: h.to, prefix: b.String()}
}

func (h *handler) WithGroup(name string) slog.Handler {
	return &handler{next: h.next.WithGroup(name), to: h.to, prefix: h.prefix}
}

func appendAttr(b *strings.Builder, a slog.Attr) {
	b.WriteString(a.Key)
	b.WriteByte('=')
	b.WriteString(a.Value.String())
	b.WriteByte(' ')
}
