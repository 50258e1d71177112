package standin

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"time"
)

// tlsConfig makes the certificate of one start and says which TLS versions are
// spoken.
func tlsConfig(now time.Time, k Knobs) (*tls.Config, error) {
	issue := func() (tls.Certificate, error) { return SelfSigned(now, k.CertDays) }
	if k.CertFile != "" {
		issue = func() (tls.Certificate, error) { return tls.LoadX509KeyPair(k.CertFile, k.CertFile) }
	}
	certificate, err := issue()
	if err != nil {
		return nil, err
	}
	c := &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	if k.OldTLS {
		c.MinVersion = tls.VersionTLS10
	}
	return c, nil
}

// SelfSigned is a certificate for localhost with a life of a year, of which so
// many days are left; 0: all of it.
func SelfSigned(now time.Time, left int) (tls.Certificate, error) {
	until := now.AddDate(1, 0, 0)
	if left != 0 {
		until = now.AddDate(0, 0, left)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: "localhost"},
		DNSNames:     []string{"localhost"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore:    until.AddDate(-1, 0, 0).Add(-time.Minute),
		NotAfter:     until,
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}
