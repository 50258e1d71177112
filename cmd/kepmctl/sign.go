package main

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/kepmctl/kepmctl/plans/runs"
	"github.com/kepmctl/kepmctl/plans/signature"
)

func (a *app) signCommand() *cobra.Command {
	var key string
	cmd := &cobra.Command{
		Use: "sign FILE", Short: "Sign a kept plan",
		Long: `Signs a plan that plan --out kept, with an SSH key, into FILE.sig: an SSHSIG of the
namespace kepmctl-plan, which ssh-keygen -Y verify checks too. A file that is there gets
one more signature. With a public key the SSH agent signs. Whose signatures apply demands
is in the site policy.`,
		Example: `  kepmctl plan sign monday.plan --key ~/.ssh/id_ed25519
  kepmctl plan verify monday.plan`,
		Args: exactly(1, "the file that plan --out kept"),
		RunE: func(_ *cobra.Command, args []string) error { return a.sign(args[0], key) },
	}
	cmd.Flags().StringVar(&key, "key", "", "private key to sign with, or a public key that the SSH agent holds")
	_ = cmd.MarkFlagRequired("key") // it is a flag of this command
	return cmd
}

func (a *app) sign(path, key string) error {
	_, plan, err := readPlan(path)
	if err != nil {
		return err
	}
	file, err := readFile(a.expand(key), 64<<10)
	if err != nil {
		return fmt.Errorf("read the key: %w", err)
	}
	socket, _ := a.env("SSH_AUTH_SOCK")
	signer, done, err := signature.Open(file, socket)
	if err != nil {
		return fmt.Errorf("sign with %s: %w", key, err)
	}
	defer done()
	sig, err := signature.Sign(plan, signer)
	if err != nil {
		return err
	}
	before, err := readFile(path+signature.Suffix, 1<<20)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return fmt.Errorf("read the signatures: %w", err)
	default:
		if _, err := signature.Signers(plan, before); err != nil {
			return &advised{fmt.Errorf("%s%s: %w", path, signature.Suffix, err), "remove it: it is not of this plan"}
		}
	}
	if err := replaceFile(path+signature.Suffix, append(before, sig...), 0o644); err != nil {
		return fmt.Errorf("keep the signature: %w", err)
	}
	_, err = fmt.Fprintf(a.out, "Signed by %s in %s%s.\n", signature.Fingerprint(signer.PublicKey()), path, signature.Suffix)
	return err
}

func (a *app) verifyCommand() *cobra.Command {
	return &cobra.Command{
		Use: "verify FILE", Short: "Say who signed a kept plan",
		Long: `Checks the signatures in FILE.sig and says whose keys made them. Whether these are the
right people is for the site policy, which apply asks, or for you, to say.`,
		Example: "  kepmctl plan verify monday.plan",
		Args:    exactly(1, "the file that plan --out kept"),
		RunE: func(_ *cobra.Command, args []string) error {
			_, plan, err := readPlan(args[0])
			if err != nil {
				return err
			}
			keys, err := signersOf(args[0], plan)
			if err != nil {
				return &exit{exitRefused, err}
			}
			for _, k := range keys {
				fmt.Fprintf(a.out, "Signed by %s\n", signature.Fingerprint(k))
			}
			return nil
		},
	}
}

// keepSignatures keeps a plan's signatures with its run, for resume.
func keepSignatures(path string, run *runs.Run) error {
	if path == "" {
		return nil
	}
	b, err := readFile(path+signature.Suffix, 1<<20)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		to, _ := run.PlanFile()
		err = writeFile(to+signature.Suffix, b)
	}
	if err != nil {
		return fmt.Errorf("keep the plan's signatures: %w", err)
	}
	return nil
}
